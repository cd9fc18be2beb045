import './app.css';
import { render } from 'preact';
import { Frame } from './ui/frame';

render(<Frame />, document.getElementById('app')!);
